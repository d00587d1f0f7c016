//! Words of keys and captions: which pictures hold them.
