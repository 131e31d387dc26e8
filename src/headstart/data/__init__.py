"""The target: readers, validation, duplicates, splits, profile."""

from headstart.data.load import load_target
from headstart.data.pictures import PictureSet, open_picture
from headstart.data.profile import Profile, profile
from headstart.data.target import Target

__all__ = ["PictureSet", "Profile", "Target", "load_target", "open_picture", "profile"]
