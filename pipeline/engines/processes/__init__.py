"""The engine that runs a graph in several processes of one host. Linux only; imported only when it is used."""
