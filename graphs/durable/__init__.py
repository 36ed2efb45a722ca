"""Runs that outlive their process: where they are kept, how they are listed, gone on with and branched off."""
