"""Parameter servers that are objects of the test's process: what the strategy does, without other processes."""

from penstock.engine.context import process
from penstock.parameter_server.connection import LocalConnection
from penstock.parameter_server.server_task import ServerTask
from penstock.parameter_server.strategy import ParameterServerStrategyV2


class LocalCluster:
    """Servers here, and no workers: functions run on the coordinator."""

    patience = 10.0

    def __init__(self, servers: int):
        self.servers, self.workers = servers, 1
        self.connection = LocalConnection({f"ps/{i}": ServerTask() for i in range(servers)})

    def connect(self) -> None:
        process.registry["program"] = "test"
        process.registry["parameter_servers"] = self.connection

    def again(self, server: str) -> None:
        pass  # `kill` has put the new one in place already

    def known_states(self, server: str) -> list[str]:
        return self.connection.servers[server].keys()

    def kill(self, server: str) -> None:
        """A new server without variables stands where the old one was."""
        self.connection.servers[server] = ServerTask()


def local_strategy(servers: int = 2, partitioner=None) -> ParameterServerStrategyV2:
    """A strategy over servers of this process."""
    strategy = ParameterServerStrategyV2.__new__(ParameterServerStrategyV2)
    super(ParameterServerStrategyV2, strategy).__init__()
    strategy._resolver, strategy._partitioner = None, partitioner
    strategy._begin(LocalCluster(servers))
    return strategy
