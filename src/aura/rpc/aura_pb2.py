# flake8: noqa
# Generated from protos/aura.proto by 'make protos'; do not edit.
"""Generated protocol buffer code."""
from google.protobuf import descriptor as _descriptor
from google.protobuf import descriptor_pool as _descriptor_pool
from google.protobuf import runtime_version as _runtime_version
from google.protobuf import symbol_database as _symbol_database
from google.protobuf.internal import builder as _builder
_runtime_version.ValidateProtobufRuntimeVersion(
    _runtime_version.Domain.PUBLIC,
    7,
    35,
    1,
    '',
    'aura/rpc/aura.proto'
)

_sym_db = _symbol_database.Default()


DESCRIPTOR = _descriptor_pool.Default().AddSerializedFile(b'\n\x13\x61ura/rpc/aura.proto\"\x07\n\x05\x45mpty\"\xaa\x01\n\x08\x45\x63gBatch\x12\x0e\n\x06run_id\x18\x01 \x01(\t\x12\x13\n\x0b\x62\x61tch_index\x18\x02 \x01(\x05\x12\x13\n\x0b\x62\x61tch_count\x18\x03 \x01(\x05\x12\x0f\n\x07is_last\x18\x04 \x01(\x08\x12\x15\n\rmanifest_path\x18\x05 \x01(\t\x12\x14\n\x0crecord_count\x18\x06 \x01(\x05\x12\x11\n\tecg_hours\x18\x07 \x01(\x01\x12\x13\n\x0bstatus_text\x18\x08 \x01(\t\"\xd6\x01\n\x0c\x46\x65\x61tureTable\x12\x0e\n\x06run_id\x18\x01 \x01(\t\x12\x13\n\x0b\x62\x61tch_index\x18\x02 \x01(\x05\x12\x13\n\x0b\x62\x61tch_count\x18\x03 \x01(\x05\x12\x0f\n\x07is_last\x18\x04 \x01(\x08\x12\x12\n\ntable_path\x18\x05 \x01(\t\x12\x11\n\tschema_id\x18\x06 \x01(\t\x12\x11\n\trow_count\x18\x07 \x01(\x03\x12\x15\n\rlabelled_rows\x18\x08 \x01(\x03\x12\x15\n\rmanifest_path\x18\t \x01(\t\x12\x13\n\x0bstatus_text\x18\n \x01(\t\"\xe9\x01\n\x0eTrainingReport\x12\x0e\n\x06run_id\x18\x01 \x01(\t\x12\x0c\n\x04\x64one\x18\x02 \x01(\x08\x12\x12\n\nmodel_path\x18\x03 \x01(\t\x12\x10\n\x08model_id\x18\x04 \x01(\t\x12\x11\n\tschema_id\x18\x05 \x01(\t\x12\x12\n\ntrain_rows\x18\x06 \x01(\x03\x12\x0f\n\x07roc_auc\x18\x07 \x01(\x01\x12\x13\n\x0bsensitivity\x18\x08 \x01(\x01\x12\x1c\n\x14\x66\x61lse_alarms_per_24h\x18\t \x01(\x01\x12\x13\n\x0breport_path\x18\n \x01(\t\x12\x13\n\x0bstatus_text\x18\x0b \x01(\t\"\xf0\x01\n\x0fPredictionTable\x12\x0e\n\x06run_id\x18\x01 \x01(\t\x12\x13\n\x0b\x62\x61tch_index\x18\x02 \x01(\x05\x12\x13\n\x0b\x62\x61tch_count\x18\x03 \x01(\x05\x12\x0f\n\x07is_last\x18\x04 \x01(\x08\x12\x12\n\ntable_path\x18\x05 \x01(\t\x12\x10\n\x08model_id\x18\x06 \x01(\t\x12\x14\n\x0cwindow_count\x18\x07 \x01(\x03\x12\x17\n\x0fseizure_windows\x18\x08 \x01(\x03\x12\x15\n\rmanifest_path\x18\t \x01(\t\x12\x11\n\tthreshold\x18\n \x01(\x01\x12\x13\n\x0bstatus_text\x18\x0b \x01(\t\"\xc4\x01\n\x0c\x45xportReport\x12\x0e\n\x06run_id\x18\x01 \x01(\t\x12\x13\n\x0b\x62\x61tch_index\x18\x02 \x01(\x05\x12\x13\n\x0b\x62\x61tch_count\x18\x03 \x01(\x05\x12\x0f\n\x07is_last\x18\x04 \x01(\x08\x12\x16\n\x0epoints_written\x18\x05 \x01(\x03\x12\x17\n\x0fpoints_rejected\x18\x06 \x01(\x03\x12\x0e\n\x06target\x18\x07 \x01(\t\x12\x13\n\x0breport_path\x18\x08 \x01(\t\x12\x13\n\x0bstatus_text\x18\t \x01(\t2U\n\tEcgLoader\x12\"\n\rload_training\x12\x06.Empty\x1a\t.EcgBatch\x12$\n\x0fload_recordings\x12\x06.Empty\x1a\t.EcgBatch2<\n\x0e\x46\x65\x61tureBuilder\x12*\n\x0e\x62uild_features\x12\t.EcgBatch\x1a\r.FeatureTable29\n\x0eSeizureTrainer\x12\'\n\x05train\x12\r.FeatureTable\x1a\x0f.TrainingReport2>\n\x10SeizurePredictor\x12*\n\x07predict\x12\r.FeatureTable\x1a\x10.PredictionTable2;\n\x0eInfluxExporter\x12)\n\x06\x65xport\x12\x10.PredictionTable\x1a\r.ExportReportb\x06proto3')

_globals = globals()
_builder.BuildMessageAndEnumDescriptors(DESCRIPTOR, _globals)
_builder.BuildTopDescriptorsAndMessages(DESCRIPTOR, 'aura.rpc.aura_pb2', _globals)
if not _descriptor._USE_C_DESCRIPTORS:
  DESCRIPTOR._loaded_options = None
  _globals['_EMPTY']._serialized_start=23
  _globals['_EMPTY']._serialized_end=30
  _globals['_ECGBATCH']._serialized_start=33
  _globals['_ECGBATCH']._serialized_end=203
  _globals['_FEATURETABLE']._serialized_start=206
  _globals['_FEATURETABLE']._serialized_end=420
  _globals['_TRAININGREPORT']._serialized_start=423
  _globals['_TRAININGREPORT']._serialized_end=656
  _globals['_PREDICTIONTABLE']._serialized_start=659
  _globals['_PREDICTIONTABLE']._serialized_end=899
  _globals['_EXPORTREPORT']._serialized_start=902
  _globals['_EXPORTREPORT']._serialized_end=1098
  _globals['_ECGLOADER']._serialized_start=1100
  _globals['_ECGLOADER']._serialized_end=1185
  _globals['_FEATUREBUILDER']._serialized_start=1187
  _globals['_FEATUREBUILDER']._serialized_end=1247
  _globals['_SEIZURETRAINER']._serialized_start=1249
  _globals['_SEIZURETRAINER']._serialized_end=1306
  _globals['_SEIZUREPREDICTOR']._serialized_start=1308
  _globals['_SEIZUREPREDICTOR']._serialized_end=1370
  _globals['_INFLUXEXPORTER']._serialized_start=1372
  _globals['_INFLUXEXPORTER']._serialized_end=1431
