"""The programs around a data service: `python -m resilience.served_reading dispatcher|worker|consumer PORT [FOLDER]`."""

import sys

from resilience.data_service import ELEMENTS, SERVICE, pipeline
from resilience.fitting import tell


def main(role: str, port: int, folder: str = "") -> None:
    """Serves, or reads all elements and tells which came."""
    if role == "dispatcher":
        lasting = {"fault_tolerant_mode": True, "work_dir": folder} if folder else {}
        server = SERVICE.DispatchServer(SERVICE.DispatcherConfig(port=port, **lasting))
    elif role == "worker":
        server = SERVICE.WorkerServer(SERVICE.WorkerConfig(f"localhost:{port}"))
    else:
        found = []
        for each in pipeline(f"grpc://localhost:{port}", None):
            found.append(int(each))
            tell(step=len(found))
        tell(lost=ELEMENTS - len(set(found)), twice=len(found) - len(set(found)))
        return
    tell(serves=True)
    server.join()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *sys.argv[3:])
