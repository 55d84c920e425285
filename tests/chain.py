"""All five stages on one shared folder, driven one by one."""

from dataclasses import replace

from aura.errors import EndOfData
from aura.settings import Settings
from aura.stages import completion
from aura.stages.ecg_loader import EcgSource
from aura.stages.feature_builder import FeatureStage
from aura.stages.influx_exporter import ExportStage
from aura.stages.predictor import PredictionStage
from aura.stages.run_layout import Workspace
from aura.stages.trainer import TrainingStage


class Chain:
    """All five stages on one shared folder."""

    def __init__(self, shared, **settings):
        self.shared = shared
        self.settings = Settings(**{"batch_size": 2, **settings})
        self.workspace = Workspace.shared(shared, self.settings)
        self.features = FeatureStage(self.workspace, self.settings)
        self.trainer = TrainingStage(self.workspace, self.settings)
        self.predictor = PredictionStage(self.workspace, self.settings)
        self.exporter = ExportStage(self.workspace, self.settings)

    def with_settings(self, **changes):
        """Another chain on the same folder."""
        return Chain(self.shared, **vars(replace(self.settings, **changes)))

    def source(self, port="recordings", run_id="run"):
        return EcgSource(self.workspace, self.settings, port, run_id=run_id)

    def batches(self, port="recordings", run_id="run"):
        """All batches of a port."""
        source, found = self.source(port, run_id), []
        while True:
            try:
                found.append(source.next())
            except EndOfData:
                return found

    def tables(self, port="recordings", run_id="run"):
        """Feature tables of all batches of a port."""
        return [self.features.build(batch)
                for batch in self.batches(port, run_id)]

    def sink(self, stage, rpc, request):
        """Call the rpc of a sink as its servicer does."""
        with completion.noting(self.workspace.folder, rpc, request,
                               self.settings.sinks):
            return getattr(stage, rpc)(request)

    def train(self, run_id="train"):
        """Train on training/; the last report."""
        return [self.sink(self.trainer, "train", table)
                for table in self.tables("training", run_id)][-1]

    def predict(self, run_id="run"):
        """Predict recordings/; reports of the exporter."""
        return [self.sink(self.exporter, "export",
                          self.predictor.predict(table))
                for table in self.tables(run_id=run_id)]
