"""A project with its stations: the one place where settings become parts.

`loop.py` says in which order the stations act; here it says which ones a project has. Nothing is
opened or imported before it is asked for.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from penstock import background, bundles, gates, pipeline
from penstock.config import Settings, find_project, load_settings
from penstock.domain.run import Candidate, Run
from penstock.domain.traffic import TargetStatus, TrafficTable
from penstock.domain.verdict import Outcome, Verdict
from penstock.domain.version import Bundle, ModelVersion
from penstock.errors import StateError
from penstock.journal import Journal

STATE = ".penstock"


class Project:
    """One project: its directory, its settings, its journal and its stations."""

    def __init__(self, root: Path, settings: Settings, journal: Journal) -> None:
        self.root = root
        self.settings = settings
        self.journal = journal

    @classmethod
    def open(cls, start: Path) -> Self:
        """Open the project at or above a directory.

        Raises:
            StateError: ``project.not-found``.
            ConfigError: every problem of penstock.yaml at once.
        """
        root = find_project(start)
        return cls(root, load_settings(root), Journal(root / STATE / "journal.db"))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.journal.close()

    @property
    def model(self) -> str:
        """Name of the project's model."""
        return self.settings.model.name

    # The pipeline and the gates.

    def stage_tests(self, base: Path) -> pipeline.StageHooks | None:
        """Return the tests around stages, None when the project has none."""
        if not self.settings.tests:
            return None
        from penstock.gates import StageTest, StageTests

        tests = [
            StageTest(one.stage, one.when, one.targets, one.span) for one in self.settings.tests
        ]
        python = gates.own_python(self.settings.gates, base)
        hooks: pipeline.StageHooks = StageTests(base, tests, python=python, champion_python=_python)
        return hooks

    def digest(self, base: Path, path: str) -> str:
        """Return the content of a file or directory of the project, as an md5.

        Raises:
            StateError: ``project.missing`` when it is not there.
        """
        from penstock.artifacts import Store

        found = Store.open(base).hash(base / path, name=path)
        if found is None:
            raise StateError(
                f"{path} is not there",
                code="project.missing",
                hint="penstock.yaml names it: is it an output of the pipeline, or does it need "
                "`dvc pull`?",
            )
        return found.md5

    def candidate(self, run: Run, base: Path) -> Candidate:
        """Return the model that a run made.

        Raises:
            StateError: ``project.missing`` when the pipeline did not write it.
        """
        path = self.settings.model.path
        return Candidate(
            run_id=run.id,
            model=self.model,
            path=str(base / path),
            digest=self.out_digest(run, base, path),
            metrics=pipeline.metrics(base),
            params=pipeline.params(base),
        )

    def packaged(self, candidate: Candidate, base: Path) -> Candidate:
        """Return a candidate as an MLflow model; a file is wrapped, if the scan lets it pass.

        Raises:
            StateError: ``packaging.not-a-model`` when the file is no model that can be served.
        """
        path = Path(candidate.path)
        if path.is_dir():
            return candidate
        from penstock import packaging
        from penstock.gates.process import without_secrets

        settings, model = self.settings.gates, self.settings.model
        if settings.scan == "block" and gates.scan(path, allow=settings.scan_allow).stops:
            return candidate
        place = packaging.as_mlflow(
            path,
            candidate.digest,
            self.root,
            base=base,
            data=base / model.test_data,
            target=model.target,
            timeout=settings.timeout,
            environment=without_secrets(),
        )
        return replace(candidate, path=str(place))

    def judge(
        self, candidate: Candidate, champion: ModelVersion | None, base: Path
    ) -> gates.Judgement:
        """Ask all gates about a candidate, and whether it can be served at all."""
        from penstock import packaging, probe

        unfit: tuple[Verdict, ...] = ()
        try:
            candidate = self.packaged(candidate, base)
        except StateError as error:
            told = Verdict("can be served", Outcome.ERROR, error.message, kind="packaging")
            unfit = (replace(told, hint=error.hint),)
        forms: dict[Path, Path | None] = {}
        if not unfit and self.settings.model.serve_as == "onnx":
            place, digest = Path(candidate.path), candidate.digest
            made = bundles.onnx_form(place, digest, self.root, base, self.settings)
            forms[place], unfit = made.path, (made.verdict,)

        def contender(path: Path, name: str) -> gates.Contender:
            return gates.Contender(path, lambda: packaging.resolve(path).python, name)

        def served(path: Path) -> tuple[float, float, float]:
            rows = base / settings.model.test_data
            path = forms.get(path) or path
            python = packaging.resolve(path).python
            return probe.measure(path, python, rows, settings.model.target)

        held_against = None
        settings = self.settings
        if champion is not None:
            packed = packaging.pack(champion, self.root, settings.registry.tracking_uri)
            place = Path(packed.path)
            held_against = contender(place, f"version {champion.version}")
            if forms:
                made = bundles.onnx_form(place, champion.digest, self.root, base, settings)
                forms[place] = made.path
        judgement = gates.judge_candidate(
            settings.gates,
            contender(Path(candidate.path), f"candidate {candidate.run_id}"),
            held_against,
            model=settings.model,
            base=base,
            ledger=gates.Ledger(self.journal),
            serving=served,
        )
        return replace(judgement, verdicts=(*judgement.verdicts, *unfit))

    def out_digest(self, run: Run, base: Path, path: str) -> str:
        """Return the digest of a path: as the run wrote it, else of what is there."""
        for stage in run.stages:
            for out in stage.outs:
                if out.path == path:
                    return out.md5
        return self.digest(base, path)

    # The registry.

    @cached_property
    def registry(self) -> Any:
        """Where model versions are kept; MLflow is imported only when something is asked of it."""
        from penstock.registry import Registry

        wanted = self.settings.registry
        return Registry(
            self.root,
            tracking_uri=wanted.tracking_uri,
            experiment=wanted.experiment or self.model,
        )

    def champion(self) -> ModelVersion | None:
        """Return the version that holds the traffic, as the registry says."""
        from penstock.registry import CHAMPION

        found: ModelVersion | None = self.registry.alias(self.model, CHAMPION)
        return found

    def previous(self) -> ModelVersion | None:
        """Return the version that held the traffic before; one that was taken back did not."""
        from penstock.registry import PREVIOUS
        from penstock.rollouts.history import previous_champion

        if not self.champion_number():  # the journal knows nothing: it may have been deleted
            found: ModelVersion | None = self.registry.alias(self.model, PREVIOUS)
            return found
        number = previous_champion(self.journal)
        return self.recorded_version(number) if number is not None else None

    def champion_number(self) -> str:
        """Return the champion's number as the journal has it, "" for none."""
        from penstock.rollouts import history

        return history.champion_number(self.journal)

    def version(self, wanted: str | None) -> ModelVersion:
        """Return a version by number, by default the newest.

        Raises:
            StateError: ``registry.unknown-version`` or ``registry.no-version``.
        """
        if wanted is not None:
            found: ModelVersion = self.registry.get(self.model, wanted)
            return found
        every: Sequence[ModelVersion] = self.registry.versions(self.model)
        if not every:
            raise StateError(
                f"{self.model} has no version yet",
                code="registry.no-version",
                hint="`penstock run` makes a candidate, and registers it when it passes the gates",
            )
        return every[0]

    def holder(self) -> ModelVersion | None:
        """Return who has the traffic; the journal knows, also while no registry can be reached."""
        number = self.champion_number()
        return self.recorded_version(number) if number else self.champion()

    def recorded_version(self, wanted: str) -> ModelVersion:
        """Return a version as the journal has it; the registry is asked only when it has not."""
        record = self.journal.get("version", f"{self.model}/{wanted.removeprefix('v')}")
        if record is None:
            return self.version(wanted)
        return ModelVersion.from_dict({k: v for k, v in record.value.items() if k != "event"})

    # Traffic.

    @property
    def serving_folder(self) -> Path:
        """Where the gateway keeps its sockets and its table."""
        return self.root / STATE / "serve"

    def client(self) -> Any:
        """Return the client of this project's gateway, running or not."""
        from penstock.gateway import GatewayClient

        return GatewayClient(self.serving_folder)

    def start_gateway(self, port: int | None = None) -> None:
        """Start the gateway, if it does not run.

        Raises:
            StateError: ``gateway.port-busy``.
        """
        from penstock.gateway import start_gateway

        options = bundles.gateway_options(self.root / STATE, self.settings, port)
        start_gateway(self.serving_folder, options)

    def wanted_table(self) -> TrafficTable | None:
        """Return the traffic table that the gateway was last given, None before the first."""
        try:
            item = json.loads((self.serving_folder / "table.json").read_text())
        except FileNotFoundError:
            return None
        return TrafficTable.from_dict(item)

    def observe(self) -> TargetStatus:
        """Return what the gateway says of itself."""
        found: TargetStatus = self.client().status()
        return found

    def serve(self, port: int | None = None) -> TargetStatus:
        """Make the gateway run; give the champion its traffic when the gateway has no table.

        Raises:
            StateError: ``project.no-champion`` or ``gateway.port-busy``.
        """
        table = None if self.observe().running else self.table()
        self.start_gateway(port)
        client = self.client()
        status: TargetStatus = client.status()
        if table is not None and status.generation <= 0 and not status.ready:
            client.apply(replace(table, generation=max(status.generation, 0) + 1))
        elif table is not None and (changed := self._packed_anew(table)) is not None:
            client.apply(changed)
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            status = client.status()
            if status.ready or status.failed:
                break
            time.sleep(0.05)
        return status

    def _packed_anew(self, table: TrafficTable) -> TrafficTable | None:
        """Return the gateway's table with its champion as penstock.yaml now wants it served.

        None where nothing has changed, or a rollout is under way: it packs for itself.
        """
        standing = self.wanted_table()
        (fresh,) = table.bundles
        if standing is None or standing.challenger is not None:
            return None
        if standing.champion != table.champion or standing.bundle(fresh.version) == fresh:
            return None
        bundles = tuple(fresh if one.version == fresh.version else one for one in standing.bundles)
        return replace(standing, generation=standing.generation + 1, bundles=bundles)

    def bundle(self, version: ModelVersion) -> Bundle:
        """Return a model version as this project serves it.

        Raises:
            StateError, UnavailableError: it cannot be packed so.
        """
        return bundles.bundle(version, self.root, self.settings, self.journal)

    def stop_serving(self) -> None:
        """Stop the gateway, once the requests in flight are answered."""
        self.client().stop()

    def controller(self) -> Any:
        """Return what moves rollouts of this project forward."""
        from penstock.observations import Observations
        from penstock.registry import ReleaseRegistrar
        from penstock.rollouts import Controller, LocalTarget
        from penstock.rollouts.outcomes import Outcomes

        truth = Outcomes(Observations(self.root / STATE / "observations"), self.settings.model.task)
        target = LocalTarget(self.client(), self.start_gateway)
        registrar = ReleaseRegistrar(self.registry, self.root, self.model)
        replicas = self.settings.serve.replicas
        return Controller(self.journal, target, registrar, replicas=replicas, truth=truth)

    def drive_in_background(self, rollout_id: str) -> None:
        """Let a process of its own move a rollout forward until it has ended."""
        log = self.root / STATE / "logs" / f"{rollout_id}.log"
        background.drive_rollout(log, self.root, rollout_id)

    def table(self) -> TrafficTable:
        """Return the traffic table that gives everything to the champion.

        Raises:
            StateError: ``project.no-champion``.
        """
        champion = self.holder()
        if champion is None:
            raise StateError(
                f"{self.model} has no champion to serve",
                code="project.no-champion",
                hint="`penstock run --deploy` makes one",
            )
        bundle = self.bundle(champion)
        serve = self.settings.serve
        return TrafficTable(
            bundles=(bundle,),
            champion=bundle.version,
            sticky=serve.sticky,
            replicas=serve.replicas,
        )

    def newest_run(self) -> Run:
        """Return the newest recorded run.

        Raises:
            StateError: ``project.no-run``.
        """
        for record in self.journal.records("run", limit=1):
            return Run.from_dict(record.value)
        raise StateError(
            "this project has no run yet", code="project.no-run", hint="start one: `penstock run`"
        )


def _python(model: Path) -> str:
    """Return the interpreter of the environment that a model was registered with."""
    from penstock import packaging

    return packaging.resolve(model).python
