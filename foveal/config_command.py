"""What may be typed after `agent config`."""

from foveal.options import Job, Json, examples

EXAMPLES = examples(
    "agent config",
    "agent config >config.toml",
    "FOVEAL_DEVICE=cuda agent config --json | jq .settings.device",
)


def config(as_json: Json = False) -> Job:
    """Print the settings in effect, and where each of them comes from.

    They come from FOVEAL_* variables, else from the file named at the top; options win over both.
    """

    def job() -> int:
        from foveal.configuring import tell

        return tell(as_json)

    return job
