//! From a [`Drive`](crate::drive::Drive) to an OpenDAL service, once for all drives.
