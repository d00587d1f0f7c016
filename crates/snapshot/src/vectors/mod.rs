//! Vectors of pictures or captions: the nearest ones, and the cosine of each.
