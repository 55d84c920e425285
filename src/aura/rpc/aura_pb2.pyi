# flake8: noqa
# Generated from protos/aura.proto by 'make protos'; do not edit.
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Optional as _Optional

DESCRIPTOR: _descriptor.FileDescriptor

class Empty(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class EcgBatch(_message.Message):
    __slots__ = ("run_id", "batch_index", "batch_count", "is_last", "manifest_path", "record_count", "ecg_hours", "status_text")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_PATH_FIELD_NUMBER: _ClassVar[int]
    RECORD_COUNT_FIELD_NUMBER: _ClassVar[int]
    ECG_HOURS_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    batch_index: int
    batch_count: int
    is_last: bool
    manifest_path: str
    record_count: int
    ecg_hours: float
    status_text: str
    def __init__(self, run_id: _Optional[str] = ..., batch_index: _Optional[int] = ..., batch_count: _Optional[int] = ..., is_last: _Optional[bool] = ..., manifest_path: _Optional[str] = ..., record_count: _Optional[int] = ..., ecg_hours: _Optional[float] = ..., status_text: _Optional[str] = ...) -> None: ...

class FeatureTable(_message.Message):
    __slots__ = ("run_id", "batch_index", "batch_count", "is_last", "table_path", "schema_id", "row_count", "labelled_rows", "manifest_path", "status_text")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    TABLE_PATH_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    ROW_COUNT_FIELD_NUMBER: _ClassVar[int]
    LABELLED_ROWS_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_PATH_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    batch_index: int
    batch_count: int
    is_last: bool
    table_path: str
    schema_id: str
    row_count: int
    labelled_rows: int
    manifest_path: str
    status_text: str
    def __init__(self, run_id: _Optional[str] = ..., batch_index: _Optional[int] = ..., batch_count: _Optional[int] = ..., is_last: _Optional[bool] = ..., table_path: _Optional[str] = ..., schema_id: _Optional[str] = ..., row_count: _Optional[int] = ..., labelled_rows: _Optional[int] = ..., manifest_path: _Optional[str] = ..., status_text: _Optional[str] = ...) -> None: ...

class TrainingReport(_message.Message):
    __slots__ = ("run_id", "done", "model_path", "model_id", "schema_id", "train_rows", "roc_auc", "sensitivity", "false_alarms_per_24h", "report_path", "status_text")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    DONE_FIELD_NUMBER: _ClassVar[int]
    MODEL_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    SCHEMA_ID_FIELD_NUMBER: _ClassVar[int]
    TRAIN_ROWS_FIELD_NUMBER: _ClassVar[int]
    ROC_AUC_FIELD_NUMBER: _ClassVar[int]
    SENSITIVITY_FIELD_NUMBER: _ClassVar[int]
    FALSE_ALARMS_PER_24H_FIELD_NUMBER: _ClassVar[int]
    REPORT_PATH_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    done: bool
    model_path: str
    model_id: str
    schema_id: str
    train_rows: int
    roc_auc: float
    sensitivity: float
    false_alarms_per_24h: float
    report_path: str
    status_text: str
    def __init__(self, run_id: _Optional[str] = ..., done: _Optional[bool] = ..., model_path: _Optional[str] = ..., model_id: _Optional[str] = ..., schema_id: _Optional[str] = ..., train_rows: _Optional[int] = ..., roc_auc: _Optional[float] = ..., sensitivity: _Optional[float] = ..., false_alarms_per_24h: _Optional[float] = ..., report_path: _Optional[str] = ..., status_text: _Optional[str] = ...) -> None: ...

class PredictionTable(_message.Message):
    __slots__ = ("run_id", "batch_index", "batch_count", "is_last", "table_path", "model_id", "window_count", "seizure_windows", "manifest_path", "threshold", "status_text")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    TABLE_PATH_FIELD_NUMBER: _ClassVar[int]
    MODEL_ID_FIELD_NUMBER: _ClassVar[int]
    WINDOW_COUNT_FIELD_NUMBER: _ClassVar[int]
    SEIZURE_WINDOWS_FIELD_NUMBER: _ClassVar[int]
    MANIFEST_PATH_FIELD_NUMBER: _ClassVar[int]
    THRESHOLD_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    batch_index: int
    batch_count: int
    is_last: bool
    table_path: str
    model_id: str
    window_count: int
    seizure_windows: int
    manifest_path: str
    threshold: float
    status_text: str
    def __init__(self, run_id: _Optional[str] = ..., batch_index: _Optional[int] = ..., batch_count: _Optional[int] = ..., is_last: _Optional[bool] = ..., table_path: _Optional[str] = ..., model_id: _Optional[str] = ..., window_count: _Optional[int] = ..., seizure_windows: _Optional[int] = ..., manifest_path: _Optional[str] = ..., threshold: _Optional[float] = ..., status_text: _Optional[str] = ...) -> None: ...

class ExportReport(_message.Message):
    __slots__ = ("run_id", "batch_index", "batch_count", "is_last", "points_written", "points_rejected", "target", "report_path", "status_text")
    RUN_ID_FIELD_NUMBER: _ClassVar[int]
    BATCH_INDEX_FIELD_NUMBER: _ClassVar[int]
    BATCH_COUNT_FIELD_NUMBER: _ClassVar[int]
    IS_LAST_FIELD_NUMBER: _ClassVar[int]
    POINTS_WRITTEN_FIELD_NUMBER: _ClassVar[int]
    POINTS_REJECTED_FIELD_NUMBER: _ClassVar[int]
    TARGET_FIELD_NUMBER: _ClassVar[int]
    REPORT_PATH_FIELD_NUMBER: _ClassVar[int]
    STATUS_TEXT_FIELD_NUMBER: _ClassVar[int]
    run_id: str
    batch_index: int
    batch_count: int
    is_last: bool
    points_written: int
    points_rejected: int
    target: str
    report_path: str
    status_text: str
    def __init__(self, run_id: _Optional[str] = ..., batch_index: _Optional[int] = ..., batch_count: _Optional[int] = ..., is_last: _Optional[bool] = ..., points_written: _Optional[int] = ..., points_rejected: _Optional[int] = ..., target: _Optional[str] = ..., report_path: _Optional[str] = ..., status_text: _Optional[str] = ...) -> None: ...
