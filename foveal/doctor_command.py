"""What may be typed after `agent doctor`."""

from foveal.options import Job, Json, examples

EXAMPLES = examples("agent doctor", "agent doctor --json | jq '.checks[] | select(.cure)'")


def doctor(as_json: Json = False) -> Job:
    """Say what is installed and intact here, and how to mend what is not."""

    def job() -> int:
        from foveal.doctor import tell

        return tell(as_json)

    return job
