//! The client and the drive against transports that answer what a test says.
