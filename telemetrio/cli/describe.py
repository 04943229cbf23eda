"""Commands that print what the project promises to programs."""

import click


@click.command()
@click.argument("kind", type=click.Choice(["ws", "asyncapi", "openapi"]))
@click.option("--typescript", is_flag=True, help="As TypeScript types: of ws and openapi.")
def schema(*, kind: str, typescript: bool) -> None:
    """Print the JSON Schema of every live message (ws), or the AsyncAPI or OpenAPI description."""
    import json  # noqa: PLC0415

    from telemetrio import contract  # noqa: PLC0415
    from telemetrio.schema import asyncapi, json_schema  # noqa: PLC0415

    if typescript:
        types = {"ws": contract.message_types, "openapi": contract.route_types}
        if kind not in types:
            raise click.BadParameter("there are types of ws and openapi only", param_hint="--typescript")
        click.echo(types[kind](), nl=False)
        return
    documents = {"ws": json_schema, "asyncapi": asyncapi, "openapi": contract.openapi}
    click.echo(json.dumps(documents[kind](), indent=2, ensure_ascii=False))
