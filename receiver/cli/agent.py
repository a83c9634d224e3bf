"""`receiver agent`, for the list of commands; whoever calls it goes by `receiver.cli.way_in` and never comes here."""

import typer

from receiver.agent.front import main

app = typer.Typer(
    add_completion=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []},
)


@app.command()
def agent(context: typer.Context) -> None:
    """Run beside agents: their health endpoint, the synthetic check, the resource monitor."""
    raise typer.Exit(main(context.args))
