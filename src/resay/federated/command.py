"""`resay federated …`: take part with your own voice, run a training, or try one out on a corpus.

resay federated serve DIR          run a training that others join
resay federated admit DIR KEY      let a client's key in
resay federated join               take part; the recordings stay where they are
resay federated status|pause|resume|leave MEMBERSHIP
resay federated budget             what a training would cost in privacy
resay federated simulate           thousands of clients on one machine
resay federated audit              attack it
resay federated dictionary         readings that many hold
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from .. import consent as consents
from .. import shared_adapter, synthesis
from ..errors import BadFile, BadOption, ConsentMissing
from . import audit, dictionary_command, hosting, ledger
from .client import Terms
from .deployment import Link, environment, supernode
from .membership import KEY_VARIABLE, Membership
from .rounds import Settings, State

app = typer.Typer(
    help="Improve a shared adapter together. Needs the extra `federated`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

app.command("audit")(audit.audit)
app.add_typer(dictionary_command.app, name="dictionary")

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The server's folder.")]
Home = Annotated[Path, typer.Argument(metavar="MEMBERSHIP", help="The client's folder.")]
Models = Annotated[Path, typer.Option(help="Weights, instead of the shipped ones.")]
Json = Annotated[bool, typer.Option("--json", help="Report as JSON on standard output.")]
Noise = Annotated[float, typer.Option(help="Of the sum, in clipping norms; 0 is no privacy.")]
Clip = Annotated[float, typer.Option(help="Longest update of a client.")]
Limit = Annotated[float, typer.Option(help="Largest epsilon; 0 has no limit.")]
Rate = Annotated[float, typer.Option(help="Step of the server along the mean update.")]


@app.command()
def serve(
    folder: Folder,
    address: Annotated[str, typer.Option(help="HOST:PORT; the certificate is made out to HOST.")] = "127.0.0.1:8443",
    rounds: Annotated[int, typer.Option(min=1, help="Rounds in all, those before a restart included.")] = 50,
    population: Annotated[int, typer.Option(min=3, help="Clients that may take part.")] = 100,
    sampling: Annotated[float, typer.Option(help="Chance of each client to be asked in a round.")] = 1.0,
    least: Annotated[int, typer.Option(min=3, help="Fewest clients in a sum.")] = 3,
    clip: Clip = 0.1,
    noise: Noise = 1.0,
    limit: Limit = 8.0,
    rate: Rate = 1.0,
    deadline: Annotated[float, typer.Option(help="Seconds for each phase of a round.")] = 120.0,
    canary: Annotated[
        Path | None, typer.Option(help="Recordings to judge every round by; a round that does harm is taken back.")
    ] = None,
    models: Models = synthesis.SHIPPED,
) -> None:
    """Run a training that others join; the same command goes on after a stop. Publishes DIR/training/published."""
    settings = Settings(
        population, sampling, least, clip=clip, noise=noise, limit=limit or None, rate=rate, training={"steps": 10}
    )
    link = Link(folder, address)
    link.prepare()
    hosting.begin(link, settings, models)
    features = None if canary is None else hosting.judging(link, canary, models)
    hosting.host(link, rounds, deadline, models, features)
    state = State.load(link.training)
    typer.echo(f"{len(state.history)} rounds, {ledger.in_words(state.ledger.spent(), state.ledger.delta)}")


@app.command()
def admit(
    folder: Folder,
    key: Annotated[Path, typer.Argument(metavar="KEY", help="The client's node.key.pub.")],
    address: Annotated[str, typer.Option(help="HOST:PORT of the server.")] = "127.0.0.1:8443",
) -> None:
    """Let a client's key in: now where the server is running, else when it starts."""
    link = Link(folder, address)
    hosting.admit(link, key)
    typer.echo(f"{key}: admitted")


@app.command()
def join(
    membership: Annotated[Path, typer.Option(help="Folder for key, features and the list of what was sent.")],
    server: Annotated[str | None, typer.Option(help="HOST:PORT; without it everything is only made ready.")] = None,
    authority: Annotated[Path | None, typer.Option(help="The server's ca.crt.")] = None,
    recordings: Annotated[Path | None, typer.Option(help="Sound files with a .txt beside each.")] = None,
    consent: Annotated[Path | None, typer.Option(help="The speaker's agreement to federate.")] = None,
    least: Annotated[int, typer.Option(min=3, help="Fewest clients in a sum that you take part in.")] = 3,
    limit: Limit = 8.0,
    sealed: Annotated[
        bool, typer.Option(help="Keep key and features under a passphrase ($RESAY_PASSPHRASE, or asked for).")
    ] = False,
    without_noise: Annotated[bool, typer.Option(help="Take part in sums without noise as well.")] = False,
    port: Annotated[int, typer.Option(help="For Flower's own processes, on this machine only.")] = 9094,
    models: Models = synthesis.SHIPPED,
) -> None:
    """Take part with your own voice. Recordings, transcripts and voice stay here; masked, noisy sums leave."""
    if recordings is not None:
        terms = Terms(least, limit or ledger.NO_PRIVACY, not without_noise)
        _become_member(membership, recordings, consent, terms, models, _passphrase() if sealed else None)
    elif consent is not None or sealed:
        raise BadOption("--consent and --sealed belong to --recordings; the membership has its own")
    found = Membership.open(membership)
    typer.echo(f"your key, for the server's operator: {found.node_key}.pub")
    if server is None:
        return
    if authority is None or not authority.is_file():
        raise BadFile("--authority: give the ca.crt that the server's operator has sent you")
    command = supernode(server, authority, found.node_key, found.folder, port)
    variables = environment(found.folder / "flower")
    if found.sealed:
        opened = found.unlocked(_passphrase())
        variables[KEY_VARIABLE] = (opened.key or b"").hex()
        variables.pop("RESAY_PASSPHRASE", None)
    done = subprocess.run(command, env=variables, check=False)
    if done.returncode:
        raise BadFile(f"{server}: the connection ended (Flower's code {done.returncode}); is your key admitted?")


def _passphrase() -> str:
    """$RESAY_PASSPHRASE, else whoever sits at the terminal. Raises BadOption where nobody does."""
    known = os.environ.get("RESAY_PASSPHRASE")
    if known:
        return known
    if not sys.stdin.isatty():
        raise BadOption("the membership is sealed: set RESAY_PASSPHRASE, or start this at a terminal")
    return str(typer.prompt("passphrase", hide_input=True, err=True))


def _become_member(
    folder: Path, recordings: Path, consent: Path | None, terms: Terms, models: Path, passphrase: str | None
) -> None:
    if consent is None:
        raise ConsentMissing("taking part needs the speaker's agreement: --consent FILE with the use federate")
    if not recordings.is_dir():
        raise BadFile(f"{recordings}: no such folder")
    agreed = consents.signed_here(consents.from_file(consent))
    member = Membership.create(folder, agreed, terms, models.absolute(), passphrase)
    from . import features, local

    try:
        found = features.heard(recordings, models, local.Frozen(models))
        member.keep(features.FILE, features.to_bytes(found))
    except BaseException:
        # Half a membership would be in the way of the next try.
        member.leave()
        raise


@app.command()
def status(membership: Home, as_json: Json = False) -> None:
    """What has been sent so far, and what it cost in privacy."""
    found = Membership.open(membership)
    sent = list(found.sent())
    rounds = {entry.round for entry in sent if entry.phase == "masked"}
    words = next((entry.spent for entry in reversed(sent) if entry.spent), "nothing has been sent yet")
    size = sum(entry.bytes for entry in sent)
    if as_json:
        report = {"rounds": len(rounds), "bytes": size, "spent": words, "paused": found.paused, "sealed": found.sealed}
        report |= {"refused": found.refused()}
        typer.echo(json.dumps(report | {"sent": [entry.to_json() for entry in sent]}))
        return
    typer.echo(f"{len(rounds)} rounds, {size} bytes sent: public keys, sealed shares and masked sums, nothing else")
    typer.echo(f"privacy: {words}")
    refused = found.refused()
    if refused:
        typer.echo(f"{len(refused)} questions refused, the last one in {refused[-1]['phase']}: {refused[-1]['why']}")
    if found.paused:
        typer.echo("paused: every question is refused")


@app.command()
def pause(membership: Home) -> None:
    """Refuse every question until `resume`; what was sent stays sent."""
    Membership.open(membership).pause(True)


@app.command()
def resume(membership: Home) -> None:
    """Take part again."""
    Membership.open(membership).pause(False)


@app.command()
def leave(membership: Home) -> None:
    """Delete key, features and lists. What is in published sums cannot be told apart, nor taken out."""
    left = Membership(membership).leave()
    typer.echo(f"deleted{'; not ours, left in place: ' + ', '.join(left) if left else ''}")


@app.command("show")
def show(adapter: Annotated[Path, typer.Argument(metavar="FILE", help="An adapter file.")]) -> None:
    """What an adapter says of itself."""
    found = shared_adapter.load(adapter)
    report = {"digest": found.digest, "number": found.number, "parameters": found.parameters, "base": found.base}
    typer.echo(json.dumps(report | {"origin": found.origin}, indent=1))


@app.command()
def budget(
    population: Annotated[int, typer.Option(min=3, help="Clients that may take part.")] = 4000,
    sampling: Annotated[float, typer.Option(help="Chance of each to be asked in a round.")] = 0.025,
    noise: Annotated[float, typer.Option(min=0, help="Of the sum, in clipping norms.")] = 1.0,
    rounds: Annotated[int, typer.Option(min=1)] = 60,
    as_json: Json = False,
) -> None:
    """What a training would cost in privacy, by both accountants: the ledger stops at the first."""
    delta, release = ledger.usual_delta(population), ledger.Release(sampling, noise, rounds)
    found = {method: ledger.epsilon([release], delta, method) for method in ledger.METHODS}
    if as_json:
        told = {name: None if value == ledger.NO_PRIVACY else round(value, 4) for name, value in found.items()}
        typer.echo(json.dumps({"delta": delta, "epsilon": told}))
        return
    typer.echo(ledger.in_words(found["rdp"], delta))
    typer.echo(f"Rényi accounting {found['rdp']:.2f}, privacy loss distributions {found['pld']:.2f}")


@app.command()
def base(
    out: Annotated[Path, typer.Argument(help="Folder for the graphs.")],
    cache: Annotated[Path, typer.Option(help="Features of the corpus.")] = Path("runs/cache"),
    minutes: Annotated[float, typer.Option(help="Wall-clock budget.")] = 15.0,
    steps: Annotated[int | None, typer.Option(help="Step budget instead of minutes.")] = None,
    threads: Annotated[int, typer.Option(help="Processor threads.")] = 1,
    models: Models = synthesis.SHIPPED,
) -> None:
    """Train a prosody model on public speech alone: what a simulated population can start from."""
    from . import public_base

    public_base.train(cache, models, out, minutes, steps, threads)


@app.command()
def simulate(
    clients: Annotated[int, typer.Option(min=3, help="Speakers of the corpus that take part.")] = 4000,
    rounds: Annotated[int, typer.Option(min=1)] = 40,
    per_round: Annotated[int, typer.Option(min=3, help="Clients in a round, on average.")] = 100,
    noise: Annotated[list[float] | None, typer.Option(help="One training each; may repeat. 0 is without.")] = None,
    clip: Clip = 0.1,
    limit: Limit = 8.0,
    rate: Rate = 1.0,
    momentum: Annotated[float, typer.Option(help="Of the server's steps.")] = 0.9,
    steps: Annotated[int, typer.Option(min=1, help="Local steps of a client in a round.")] = 10,
    learning_rate: Annotated[float, typer.Option(help="Of the local steps.")] = 0.05,
    flipped: Annotated[float, typer.Option(help="Share of clients that send five times the opposite.")] = 0.0,
    cache: Annotated[Path, typer.Option(help="Features of the corpus.")] = Path("runs/cache"),
    models: Annotated[Path, typer.Option(help="Where `resay federated base` put its graphs.")] = Path(
        "runs/out/public_base"
    ),
    out: Annotated[Path, typer.Option(help="Folder for population, figures and plots.")] = Path("runs/out/federated"),
    engine: Annotated[
        Literal["flower", "local"], typer.Option(help="Flower's simulation engine, or one client after the other.")
    ] = "flower",
    as_json: Json = False,
) -> None:
    """Train with thousands of simulated clients, once for each --noise, and measure on speakers nobody has heard."""
    from . import simulation
    from .population import Population

    population = Population.prepare(cache, models, out / f"population-{clients}", clients)
    settings = Settings(
        len(population),
        per_round / len(population),
        max(3, round(0.6 * per_round)),
        clip=clip,
        limit=limit or None,
        rate=rate,
        momentum=momentum,
        training={"steps": steps, "learning_rate": learning_rate},
    )
    figures: dict[str, Any] = {}
    for value in noise or [0.0, 1.0]:
        name = f"noise {value:g}" + (f", {flipped:g} flipped" if flipped else "")
        wanted = replace(settings, noise=value, limit=settings.limit if value else None)
        plan = simulation.Plan(population.folder, models, rounds, wanted, flipped)
        figures[name] = simulation.simulate(plan, out / name.replace(" ", "-").replace(",", ""), engine)
        (out / "figures.json").write_text(json.dumps(figures, indent=1), encoding="utf-8")
    simulation.pictures(figures, out / "simulation.png")
    typer.echo(json.dumps(figures) if as_json else "\n".join(_told(figures)))


def _told(figures: dict[str, Any]) -> Sequence[str]:
    from . import local

    lines = []
    for name, found in figures.items():
        better = sum(gain > 0 for gain in found["gains"]) / len(found["gains"])
        lines.append(
            f"{name}: {found['before']['total']:.4f} → {found['after']['total']:.4f} nats a phoneme "
            f"(gain {found['gain']:.4f}; better for {100 * better:.0f} % of {found['held_out_speakers']} speakers), "
            f"epsilon {found['epsilon']['rdp'] or 'without end'}, {found['seconds_per_round']} s a round"
        )
        heard = ((name, *(found[when][name] for when in ("before", "after"))) for name in local.FIT)
        lines.append("  " + ", ".join(f"{name} {before:.3f} → {after:.3f}" for name, before, after in heard))
    return lines
