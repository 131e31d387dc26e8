"""Objects in pictures: annotations read and checked, a detector on a pretrained trunk, mean average precision."""
