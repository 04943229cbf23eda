"""The command line: `telemetrio`, or `python -m telemetrio`."""

import sys

import click

from shared.process import Refusal, hasten_the_start
from telemetrio import __version__
from telemetrio.cli import describe, examine, keep, measure, operate, provision, remote, serve


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="telemetrio")
def cli() -> None:
    """Takes measurements from fleets of devices, keeps every one of them, and shows them live."""


for command in (
    *(serve.up, serve.ingest, serve.api, serve.realtime),
    *(operate.db, operate.user, operate.key, operate.device, provision.provision, examine.doctor),
    *(keep.backup, keep.restore),
    *(remote.export_readings, remote.import_readings, remote.deadletters),
    *(measure.publish, measure.simulate, measure.bench, describe.schema),
):
    cli.add_command(command)


def main() -> None:
    """Run a command; what somebody must mend is one sentence and an exit code, never a traceback."""
    hasten_the_start()
    try:
        cli(standalone_mode=True)
    except Refusal as refusal:
        click.echo(str(refusal), err=True)
        sys.exit(refusal.code)


if __name__ == "__main__":
    main()
