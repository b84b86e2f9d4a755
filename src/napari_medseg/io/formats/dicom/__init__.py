"""DICOM: series as volumes, segmentations as label maps, in both directions."""
