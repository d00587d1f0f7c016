//! What is known about each picture, in columns; filters over them.
