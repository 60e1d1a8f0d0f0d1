//! Where lines go: standard output and files now; the road to a SIEM later.
