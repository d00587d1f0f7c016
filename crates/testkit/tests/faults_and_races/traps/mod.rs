//! Faults of brokers, networks and stores that have hung or emptied real systems. After each of
//! them all processes recover by themselves, and nothing is lost.

mod ends;

mod connections;
mod limits;
mod missing;
