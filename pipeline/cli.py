"""The command ``skylane``: reads arguments, prints results, sets the exit code. The work is done in ``commands``.

Exit codes: 0 done, 1 failed, 2 the user's mistake, 130 Ctrl-C. Nothing heavy is imported before a command needs it.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from pipeline.errors import SkylaneError, UsageError

F = TypeVar("F", bound=Callable[..., Any])

INTERRUPTED = 130

app = typer.Typer(
    name="skylane",
    help="Drive a dataflow graph on time: run it, replay it, look at it, measure it.",
    epilog="Any command takes --debug, which shows where an error comes from.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

LaunchPath = Annotated[str, typer.Argument(help="Launch file, or the bare name of one in launch/.", show_default=False)]
RunFolder = Annotated[Path, typer.Argument(help="Folder of a run, for example runs/demo.", show_default=False)]
Override = Annotated[
    list[str] | None,
    typer.Option("--override", "-o", help="key=value, for example -o detect.deadline=80ms. May be repeated."),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")]


def reported(command: F) -> F:
    """Errors as one line on stderr and an exit code; a traceback only with --debug."""

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        try:
            return command(*args, **kwargs)
        except KeyboardInterrupt:
            _complain("interrupted")
            raise SystemExit(INTERRUPTED) from None
        except (typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except SkylaneError as error:
            _trace_if_asked()
            _complain(str(error))
            raise SystemExit(2 if isinstance(error, UsageError) else 1) from None
        except Exception as error:
            _trace_if_asked()
            _complain(f"{type(error).__name__}: {error} (this is a bug of ours: --debug shows where)")
            raise SystemExit(1) from None

    return wrapped  # type: ignore[return-value]


def _apart(override: list[str] | None, out: Path | None) -> tuple[list[str], Path | None]:
    """Where a command writes one file, ``-o FILE`` means that file: no override is without ``=``."""
    given = override or []
    files = [Path(one) for one in given if "=" not in one]
    return [one for one in given if "=" in one], files[-1] if files else out


def _complain(text: str) -> None:
    print(f"skylane: {text}", file=sys.stderr)


def _trace_if_asked() -> None:
    if _debug:
        import traceback

        traceback.print_exc()


_debug = False


@app.command()
@reported
def run(
    launch: LaunchPath,
    override: Override = None,
    variant: Annotated[list[str] | None, typer.Option(help="Only this variant. May be repeated.")] = None,
    engine: Annotated[
        str | None, typer.Option(help="virtual, threads, processes or erdos; instead of the file's own.")
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", "-j", min=1, help="Variants side by side on the virtual clock.")] = 2,
    artifacts: Annotated[bool, typer.Option(help="Write report, trace and video.")] = True,
    metrics: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Serve Prometheus metrics on this local port; 0: any free one.")
    ] = None,
    log_json: Annotated[
        str | None, typer.Option(help="Log faults and misses as JSON lines to this file; -: to stderr.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run a launch file, all its variants."""
    from pipeline.commands.run import run_launch_file

    code = run_launch_file(
        launch,
        [*(override or []), *([f"engine={engine}"] if engine else [])],
        variant or [],
        jobs,
        artifacts=artifacts,
        as_json=as_json,
        debug=_debug,
        metrics=metrics,
        log_json=log_json,
    )
    raise SystemExit(code)


@app.command()
@reported
def replay(folder: RunFolder, as_json: AsJson = False) -> None:
    """Run a recorded run again and compare every output."""
    from pipeline.commands.replay import replay_run

    raise SystemExit(replay_run(folder, as_json=as_json))


@app.command()
@reported
def graph(
    launch: LaunchPath,
    override: Override = None,
    variant: Annotated[str | None, typer.Option(help="The variant to draw.")] = None,
    format: Annotated[str | None, typer.Option(help="svg, mermaid or json; else by OUT's ending.")] = None,  # noqa: A002
    out: Annotated[Path | None, typer.Option("--out", help="File to write; standard output without it.")] = None,
) -> None:
    """Check a launch file and draw its graph."""
    from pipeline.commands.graph import draw

    overrides, out = _apart(override, out)
    draw(launch, overrides, variant, format, out)


@app.command()
@reported
def report(folder: RunFolder, as_json: AsJson = False) -> None:
    """Write a recorded run's report anew."""
    from pipeline.commands.report import report_run

    report_run(folder, as_json=as_json)


@app.command()
@reported
def bench(
    name: Annotated[
        str | None, typer.Argument(help="Which one; a list of them without it.", show_default=False)
    ] = None,
    override: Override = None,
    quick: Annotated[bool, typer.Option("--quick", help="Fewer and shorter rounds.")] = False,
    peers: Annotated[bool, typer.Option("--peers", help="Measure others beside it; installs them once.")] = False,
    as_json: AsJson = False,
) -> None:
    """Measure: throughput, latencies, prices."""
    from pipeline.commands.bench import run_benchmark

    flags = [name for name, given in (("quick", quick), ("peers", peers)) if given]
    run_benchmark(name, override or [], as_json=as_json, flags=flags)


@app.command()
@reported
def calibrate(
    launch: LaunchPath,
    override: Override = None,
    out: Annotated[Path | None, typer.Option("--out", help="Profile to write; profile.yaml without it.")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long to drive.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Write a latency profile of this machine."""
    from pipeline.commands.calibrate import calibrate_launch_file

    overrides, file = _apart(override, out)
    calibrate_launch_file(launch, overrides, file or Path("profile.yaml"), seconds, as_json=as_json)


@app.command()
@reported
def doctor(
    as_json: AsJson = False,
    leftovers: Annotated[bool, typer.Option("--leftovers", help="List what runs that are over have left.")] = False,
    clean: Annotated[bool, typer.Option("--clean", help="With --leftovers: remove it.")] = False,
) -> None:
    """Check this installation and this machine."""
    from pipeline.doctor import examine, left_over

    raise SystemExit(left_over(clean=clean, as_json=as_json) if leftovers or clean else examine(as_json=as_json))


@app.command()
@reported
def node(
    name: Annotated[str, typer.Argument(help="This host's name in the launch file.", show_default=False)],
    connect: Annotated[
        str, typer.Option(help="Where `skylane run` listens: tcp/… or tls/HOST:7447.", show_default=False)
    ],
    cert: Annotated[Path | None, typer.Option(help="This host's certificate (PEM).", show_default=False)] = None,
    key: Annotated[Path | None, typer.Option(help="The certificate's key (PEM).", show_default=False)] = None,
    ca: Annotated[
        Path | None, typer.Option(help="Certificate of the authority that both trust.", show_default=False)
    ] = None,
    insecure: Annotated[bool, typer.Option("--insecure", help="Allow plain tcp beyond this machine.")] = False,
    stay: Annotated[bool, typer.Option("--stay", help="Wait for another run afterwards.")] = False,
    wait: Annotated[float, typer.Option(min=0, help="Seconds to wait for a connection.")] = 60.0,
    patience: Annotated[float, typer.Option(min=0, help="Seconds that the launcher may be gone.")] = 10.0,
) -> None:
    """Join a run that another machine has started."""
    from pipeline.commands.node import join

    join(
        name,
        connect,
        certificate=cert,
        key=key,
        authority=ca,
        insecure=insecure,
        stay=stay,
        connect_s=wait,
        patience_s=patience,
    )


def _add_installed_commands() -> None:
    """Commands that other packages bring: entry-point group ``skylane.commands``, name = a function or a typer app."""
    from pipeline.registry import COMMANDS, find, installed

    for name in sorted(installed(COMMANDS)):
        try:
            found = find(COMMANDS, name, "command")
        except SkylaneError as error:
            _complain(f"the command {name!r} is left out: {error}")
            continue
        if isinstance(found, typer.Typer):
            app.add_typer(_reporting(found), name=name)
        else:
            app.command(name)(reported(found))


def _reporting(commands: typer.Typer) -> typer.Typer:
    """The same commands, each ``reported``."""
    own = copy.copy(commands)
    own.registered_commands = [copy.copy(command) for command in commands.registered_commands]
    for command in own.registered_commands:
        if command.callback is not None:
            command.callback = reported(command.callback)
    return own


def _interrupt(number: int, frame: object) -> None:
    """Somebody ends us, such as a service manager or a closed terminal: as with Ctrl-C, results are written."""
    signal.raise_signal(signal.SIGINT)


def main(arguments: list[str] | None = None) -> None:
    """Entry point of the command ``skylane``."""
    global _debug
    given = list(sys.argv[1:] if arguments is None else arguments)
    _debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    with contextlib.suppress(ValueError):  # not in the main thread: whoever owns it handles signals
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, _interrupt)
    sys.path.append("")  # module:Name in a launch file may stand in the current folder
    own = {
        command.name or (command.callback.__name__ if command.callback else "") for command in app.registered_commands
    }
    if not (given and given[0] in own):
        _add_installed_commands()
    app(args=given, prog_name="skylane")


if __name__ == "__main__":
    main()
