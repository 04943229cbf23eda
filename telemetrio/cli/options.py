"""Options that several commands share."""

from pathlib import Path

import click

data_dir = click.option(
    "--data-dir", type=click.Path(file_okay=False, path_type=Path), help="Where files live. Default: ./data"
)
