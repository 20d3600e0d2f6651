"""What a model is worth: functions of arrays and of a predicting function, never of a model class."""

from prx_train.evaluate.validation import Example, validation_loss, validation_times

__all__ = ["Example", "validation_loss", "validation_times"]
