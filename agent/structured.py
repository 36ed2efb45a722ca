"""How a model that follows instructions is told of the JSON schema that its answer must fit."""


def told(schema: str) -> str:
    """What follows a question: `schema` is JSON text, with the names and descriptions of its fields."""
    return (
        "Give your final answer as JSON alone, without any other words, that fits this JSON schema:\n"
        f"{schema}"
    )
