//! Arguments → configuration; the subcommands. It holds no logic of the road.
