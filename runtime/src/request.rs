//! What a caller asks of the engine, as complete typed values. Pure data: nothing here looks at the host.

mod build;
mod container;
mod exec;
mod health;
mod image;
mod isolation;
mod life;
mod limits;
mod log;
mod network;
mod port;
mod registry;
mod volume;

pub use build::{BuildImage, BuildNetwork, BuildSource, Secret};
pub use container::{
    AttachContainer, CreateContainer, LogLimits, LogQuery, SeccompProfile, UserNamespace, WaitCondition,
};
pub use exec::{AttachExec, ExecContainer};
pub use health::HealthCheck;
pub use image::{CommitContainer, ImportImage, PruneImages};
pub use isolation::{Access, Device, DeviceKind, DeviceRule, IpcMode, Isolation, ParseDeviceError, PidMode};

pub use life::{CopyIn, DeviceRates, PruneContainers, RestartPolicy, UpdateContainer};
pub use limits::{DeviceLimit, Limits, Rlimit};
pub use log::LogDriver;
pub use network::{AddressPool, CreateNetwork, Mac, NetworkAttachment, NetworkMode, ParseMacError};
pub use port::{ContainerPort, ParsePortError, PortBinding, Protocol, parse_host_ports};
pub use registry::{PullImage, PushImage, RegistryAuth};
pub use volume::{
    BindMount, ContainerMount, CreateVolume, MountFrom, PruneVolumes, TmpfsMount, VolumeMount, VolumesFrom, only_memory,
};
