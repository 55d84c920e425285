"""The random forest: training, validation, alarms, and the model on disk."""
