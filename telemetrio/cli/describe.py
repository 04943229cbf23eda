"""Commands that print what the project promises to programs."""

import click


@click.command()
@click.argument("kind", type=click.Choice(["ws", "asyncapi"]))
def schema(*, kind: str) -> None:
    """Print the JSON Schema of every live message (ws), or the AsyncAPI description (asyncapi)."""
    import json  # noqa: PLC0415

    from telemetrio.schema import asyncapi, json_schema  # noqa: PLC0415

    click.echo(json.dumps(json_schema() if kind == "ws" else asyncapi(), indent=2, ensure_ascii=False))
