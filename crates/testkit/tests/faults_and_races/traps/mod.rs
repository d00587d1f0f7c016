//! What brokers, networks and stores do to their clients. Each trap is one that has hung or emptied
//! real systems: afterwards everybody works again by himself, and nothing is lost.

mod ends;

mod connections;
mod limits;
mod missing;
