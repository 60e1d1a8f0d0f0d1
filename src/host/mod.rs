//! Which local process listens on an endpoint. Asked once per verdict, never per packet.
