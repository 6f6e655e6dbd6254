"""`resay train …`: from recordings to the folder of weights that ships. Every stage can be stopped and resumed.

resay train features CORPUS        read the recordings once
resay train teacher JUDGES         optional: ask a strong speaker encoder about every clip
resay train reference              timbre encoder           → resay train profiles
resay train vocoder                mel and pitch to samples
resay train upper-band CORPUS      what lies above 12 kHz
resay train aligner                where every sound is: durations for the two below
resay train acoustic               phonemes and plan to mel
resay train semantic TEXT...       semantic encoder         → resay train vectors
resay train prosody                language model of durations, pitch and energy
resay train gate|doubts          what recordings and alignments are judged by
resay train export MODELS          graphs, model.json, default voices
resay train renew MODELS           the same weights in graphs of today's form
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from ..onnx_graph import OnnxGraph
from . import (
    acoustic_net,
    acoustic_stage,
    aligner_net,
    aligner_stage,
    annotations,
    critic,
    export,
    export_command,
    gate_command,
    loop,
    prosody_net,
    prosody_stage,
    recordings,
    reference_net,
    reference_stage,
    release,
    semantic_command,
    teaching,
    upper_band_command,
    vocoder_command,
)
from .options import CACHE, RUNS, Cache, Device, Init, Minutes, Rate, Repeated, Resume, Runs, Seed, Steps, Threads
from .teaching import Listener
from .vectors import Vectors

app = typer.Typer(
    help="Train the networks. Needs the extra `train`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
)

app.command("gate")(gate_command.train_gate)
app.command("doubts")(gate_command.train_doubts)
app.command("vocoder")(vocoder_command.train_vocoder)
app.command("upper-band")(upper_band_command.train_upper_band)


@app.command()
def features(
    corpus: Annotated[Path, typer.Argument(help="Corpus folder, or a folder of sound files with .txt beside them.")],
    cache: Cache = CACHE,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Read every recording once: mel, pitch, samples, phonemes."""
    added = recordings.prepare(corpus, cache, workers)
    known = annotations.transcribe(recordings.Recordings(cache), cache)
    typer.echo(f"{added} clips added, {sum(map(bool, known.values()))} with phonemes")


@app.command("teacher")
def ask_teacher(
    judges: Annotated[Path, typer.Argument(help="Folder of `resay evaluate judges`: the speaker encoder in it.")],
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    minutes: Minutes = 4.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    learning_rate: Rate = 2e-3,
) -> None:
    """Fit the bridge from our mels to the teacher, and keep the teacher's vector of every clip."""
    data = recordings.Recordings(cache)
    options = loop.Options(runs / "teacher", minutes, steps, learning_rate, threads=threads, seed=seed, decay=0.99)
    listener = Listener(judges)
    loop.train(listener, teaching.bridge_batches(data, seed), teaching.bridge_losses, options)
    typer.echo(f"{teaching.ask(data, listener.teacher, cache)} clips heard by the teacher")


@app.command("reference")
def train_reference(
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    minutes: Minutes = 15.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Resume = False,
    learning_rate: Rate = 1e-3,
    init: Init = None,
    taught: Annotated[bool, typer.Option(help="Follow the vectors that `resay train teacher` left.")] = False,
) -> None:
    """The timbre encoder."""
    data = recordings.Recordings(cache)
    people = reference_stage.speakers(data)
    shape = reference_net.ReferenceShape()
    net = reference_net.ReferenceTraining(shape, len(people))
    lessons = None
    if taught:
        vectors = teaching.vectors(data, cache)
        lessons = reference_stage.lessons(
            data, reference_stage.turned(vectors, annotations.profiles(cache).timbre) if init else vectors
        )
    if init:
        export.restore(net.encoder, init / "reference.onnx")
    options = loop.Options(
        runs / "reference",
        minutes,
        steps,
        learning_rate,
        threads=threads,
        seed=seed,
        device=device,
        resume=resume,
        # A teacher knows better than a list of names who is who: in it one person may stand under several.
        weights={"speaker": 0.02 if taught else 0.2, "taught": 5.0, "pairs": 0.3 if taught else 1.0},
    )
    loop.train(
        net,
        reference_stage.batches(data, seed, taught=lessons),
        reference_net.losses,
        options,
        lambda average, step: reference_stage.retrieval(average.encoder, data),
    )
    release.record(
        options, "reference", shape, release.material([clip for clips in people.values() for clip in clips]), init
    )


@app.command()
def profiles(
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    models: Annotated[Path, typer.Option(help="Where the exported encoder goes.")] = CACHE,
) -> None:
    """Export the timbre encoder and listen with it to every clip."""
    net = reference_net.ReferenceNet(reference_net.ReferenceShape())
    loop.load_average(net, runs / "reference", "encoder.")
    export.export_reference(net, models / "reference.onnx")
    found = annotations.listen(recordings.Recordings(cache), OnnxGraph(models / "reference.onnx"), cache)
    typer.echo(f"{len(found.pitch)} profiles")


@dataclass(frozen=True, eq=False)
class _Aligned:
    """What the acoustic model and the prosody model both learn from."""

    data: recordings.Recordings
    collator: acoustic_stage.Collator
    rows: list[acoustic_stage.Example]
    held_out: list[acoustic_stage.Example]

    @classmethod
    def open(cls, cache: Path, synthetic_only: bool = False) -> _Aligned:
        data = recordings.Recordings(cache)
        rows = acoustic_stage.examples(data, cache)
        if synthetic_only:
            rows = [row for row in rows if row.clip.set == "synthetic"]
        collator = acoustic_stage.Collator(
            data, annotations.profiles(cache), annotations.Heard(data, cache), Vectors(cache)
        )
        return cls(data, collator, rows, acoustic_stage.examples(data, cache, held_out=True))

    def varied(self, encoder: OnnxGraph, perturbed: float) -> acoustic_stage.Collator:
        """The collator that perturbs a share of what is trained on; held-out clips stay as they are."""
        known = self.collator
        return acoustic_stage.Collator(self.data, known.profiles, known.heard, known.vectors, encoder, perturbed)


def _go_on(training: critic.AcousticTraining, models: Path) -> None:
    """Start from exported weights, and from what training needs and no graph holds."""
    export.restore(training.inner, models / "acoustic_encoder.onnx", models / "acoustic_decoder.onnx")
    export.restore_latent(training.inner, export.LATENT)
    export.restore_critic(training.critic, export.CRITIC)


@app.command("acoustic")
def train_acoustic(
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    minutes: Minutes = 60.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Resume = False,
    learning_rate: Rate = 1e-3,
    init: Init = None,
    real: Annotated[
        float, typer.Option(help="Share of the real speech in every epoch; 0: exact durations only.")
    ] = 1.0,
    latent: Annotated[float, typer.Option(help="Share of rows with latent; 0 leaves posterior and flow alone.")] = 0.0,
    frames: Annotated[int, typer.Option(help="Padded frames in a batch.")] = 6000,
    latent_only: Annotated[bool, typer.Option(help="Leave the feed-forward path as it is.")] = False,
    adversarial: Annotated[bool, typer.Option(help="Train against a critic, for spectra without blur.")] = False,
    judges: Annotated[
        Path | None, typer.Option(help="Folder with the teacher: what is said shall sound to it as what was meant.")
    ] = None,
    perturbed: Annotated[float, typer.Option(help="Share of rows by a body that is nobody's.")] = 0.4,
    default_voices: Repeated = 1,
) -> None:
    """The acoustic model."""
    aligned = _Aligned.open(cache, synthetic_only=real == 0)
    shape = acoustic_net.AcousticShape()
    training = critic.AcousticTraining(shape)
    net = training.inner
    acoustic_stage.start_from_usual_sounds(net, aligned.collator)
    if init:
        _go_on(training, init)
    if latent_only:
        acoustic_net.only_latent(net)
    of_batch: Callable[..., loop.Losses] = critic.without_contest
    if adversarial:
        of_batch = partial(critic.losses, ears=teaching.ears(runs, init or release.SHIPPED, judges))
    options = loop.Options(
        runs / "acoustic",
        minutes,
        steps,
        learning_rate,
        threads=threads,
        seed=seed,
        device=device,
        resume=resume,
        weights=critic.WEIGHTS,
    )
    check = acoustic_stage.Check(aligned.collator, aligned.held_out, latent, options.out)
    encoder = OnnxGraph((init or release.SHIPPED) / "reference.onnx")
    repeated = release.repeated(default_voices)
    loop.train(
        training,
        acoustic_stage.batches(aligned.varied(encoder, perturbed), aligned.rows, seed, frames, real, repeated),
        lambda now, batch: of_batch(now, batch, latent),
        options,
        lambda average, step: check(average.inner, step),
        training.critic,
    )
    release.record(options, "acoustic", shape, release.material([row.clip for row in aligned.rows]), init)


@app.command("aligner")
def train_aligner(
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    minutes: Minutes = 20.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    device: Device = "cpu",
    learning_rate: Rate = 1.5e-3,
    rounds: Annotated[int, typer.Option(help="How often to train and to align; the budget is shared.")] = 3,
    init: Init = None,
) -> None:
    """The aligner: train, align every clip, train on what was found, and so on.

    With --init the first labels are what that aligner finds, or has found already where the cache holds durations.
    """
    data = recordings.Recordings(cache)
    shape = aligner_net.AlignerShape()
    net = aligner_net.AlignerNet(shape)
    exact = annotations.teacher_durations(data)
    if init:
        export.restore(net, init / "aligner.onnx")
        if not annotations.are_aligned(cache):
            aligner_stage.align_all(net.eval(), data, cache)
        found = annotations.durations(data, cache) | exact
    else:
        found = exact or aligner_stage.equal_shares(data, cache)
    for number in range(rounds):
        rows, held_out = aligner_stage.labelled(data, cache, found)
        options = loop.Options(
            runs / "aligner",
            minutes / rounds,
            None if steps is None else steps // rounds,
            learning_rate / (1 + number),
            threads=threads,
            seed=seed + number,
            device=device,
            save_minutes=2.0,
            weights={"wrong": 0.0},
            decay=0.995,
        )
        net.expect(aligner_stage.frequencies(rows))
        batches = aligner_stage.batches(data, rows, seed + number)
        check = aligner_stage.Check(data, held_out) if held_out else None
        net = loop.train(net, batches, aligner_net.losses, options, check).requires_grad_(True)
        likelihoods = aligner_stage.align_all(net.cpu().eval(), data, cache)
        # What the source knows exactly stays the anchor: sounds may not wander from round to round.
        found = annotations.durations(data, cache) | exact
    for name, likelihood in sorted(likelihoods.items()):
        typer.echo(f"{name}: mean log posterior {likelihood:.3f} a frame")
    release.record(options, "aligner", shape, release.material([row.clip for row in rows]), init)


@app.command("prosody")
def train_prosody(
    cache: Cache = CACHE,
    runs: Runs = RUNS,
    minutes: Minutes = 30.0,
    steps: Steps = None,
    threads: Threads = 2,
    seed: Seed = 0,
    device: Device = "cpu",
    resume: Resume = False,
    learning_rate: Rate = 1e-3,
    init: Init = None,
    synthetic: Annotated[int, typer.Option(help="How often synthetic clips stand in an epoch.")] = 4,
    new_codes: Annotated[bool, typer.Option(help="Fit pitch contours anew, though --init has some.")] = False,
) -> None:
    """The prosody language model."""
    aligned = _Aligned.open(cache)
    # Synthetic clips come with exact durations and steady delivery: they stand several times in every epoch.
    rows = [row for row in aligned.rows for _ in range(synthetic if row.clip.set == "synthetic" else 1)]
    plans = [prosody_stage.measured(aligned.collator, row) for row in rows]
    held_out = [prosody_stage.measured(aligned.collator, row) for row in aligned.held_out]
    shape = prosody_net.ProsodyShape()
    options = loop.Options(
        runs / "prosody", minutes, steps, learning_rate, threads=threads, seed=seed, device=device, resume=resume
    )
    net = prosody_net.ProsodyNet(shape)
    known = release.read_codes(init / "model.json") if init else None
    if resume and (options.out / "codes.json").exists():
        codes = release.read_codes(options.out / "codes.json")
    elif known and not new_codes:
        codes = known
    else:
        codes = prosody_stage.codes(plans, shape, seed)
    if init and known:
        export.restore_prosody(net, init)
        prosody_stage.recode(net, known, codes)
    release.write_codes(options.out / "codes.json", codes)
    check = prosody_stage.Check(aligned.collator, aligned.held_out, held_out, codes)
    loop.train(
        net,
        prosody_stage.batches(aligned.collator, rows, plans, codes, seed),
        prosody_net.losses,
        options,
        check,
    )
    release.record(options, "prosody", shape, release.material([row.clip for row in aligned.rows]), init)


app.command("semantic")(semantic_command.train_semantic)
app.command("vectors")(semantic_command.make_vectors)


app.command("export")(export_command.export_all)
app.command("renew")(export_command.renew)


@app.command()
def curves(
    models: Annotated[Path, typer.Option(help="Folder of exported weights.")] = release.SHIPPED,
    write: Annotated[Path, typer.Option(help="The page.")] = Path("docs/training.md"),
) -> None:
    """Write the learning curves of exported weights as a page."""
    release.write_curves(models, write)
