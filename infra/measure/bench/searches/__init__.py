"""The parts of `just bench search-latency`: one file for what is generated, one for each thing that
is measured, and what they share."""
