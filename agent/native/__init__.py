"""Models that speak the perception tokens themselves: sessions that keep their cache and share their passes."""
