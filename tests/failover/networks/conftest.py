from tests.hypervisor.conftest import define as define
from tests.hypervisor.conftest import kit as kit
from tests.hypervisor.conftest import root as root
from tests.hypervisor.conftest import stage as stage
