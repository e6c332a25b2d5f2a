"""Device, threads and lazy arrays: how arithmetic is carried out, without any science."""
