"""Python imports this when it starts. S3 looks and writes in one step where a request has If-None-Match. moto looks first and
writes later, and its server has threads: of several that create one key at once, two could win."""

import threading

try:
    from moto.s3.responses import S3Response
except ImportError:
    pass
else:
    one_at_a_time = threading.Lock()
    put = S3Response._key_response_put

    def put_atomically(self, *args, **kwargs):
        if self.headers.get("If-None-Match") is None:
            return put(self, *args, **kwargs)
        with one_at_a_time:
            return put(self, *args, **kwargs)

    S3Response._key_response_put = put_atomically
