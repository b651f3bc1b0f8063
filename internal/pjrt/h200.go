package pjrt

// H200 returns the options with which CompileAbsent compiles for an NVIDIA H200.
func H200() map[string]any {
	return map[string]any{"target_config": h200, "topology": "1x1x1"}
}

// h200 is what the compiler knows of an NVIDIA H200, as a GpuTargetConfigProto.
const h200 = `
gpu_device_info {
  cuda_compute_capability { major: 9 feature_extension: ACCELERATED_FEATURES }
  core_count: 132 fpus_per_core: 128 threads_per_warp: 32 clock_rate_ghz: 1.98
  threads_per_block_limit: 1024 threads_per_core_limit: 2048
  block_dim_limit_x: 2147483647 block_dim_limit_y: 65535 block_dim_limit_z: 65535
  shared_memory_per_block: 49152 shared_memory_per_block_optin: 232448 shared_memory_per_core: 233472
  registers_per_block_limit: 65536 registers_per_core_limit: 65536
  device_memory_size: 151397597184 memory_bandwidth: 4800000000000 l2_cache_size: 52428800
  runtime_version: "13.0.0" driver_version: "13.0.0"
}
platform_name: "CUDA"
dnn_version_info { major: 9 minor: 12 }
device_description_str: "H200"`
