"""What differs between trainings; `medseg_training.trainer` does what they share."""
