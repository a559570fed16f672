# The consensus engine, a Rust crate, as a static library: sluice_raft_core. Its Cargo.lock pins what it is made of.
find_program(CARGO cargo HINTS $ENV{HOME}/.cargo/bin)
if(NOT CARGO)
  message(FATAL_ERROR "sluice needs cargo to build its consensus engine: scripts/install-deps.sh installs Debian's "
                      "rustc-web and cargo-web.")
endif()

set(raft_core_source ${CMAKE_SOURCE_DIR}/broker/metadata/raft_core)
# Beside the build directories, which share it: a minute for each of them otherwise.
get_filename_component(raft_core_build ${CMAKE_BINARY_DIR}/../raft_core ABSOLUTE)
set(raft_core_library ${raft_core_build}/release/libsluice_raft_core.a)
file(GLOB raft_core_files CONFIGURE_DEPENDS ${raft_core_source}/src/*.rs)
add_custom_command(
  OUTPUT ${raft_core_library}
  COMMAND ${CARGO} build --quiet --locked --release --manifest-path ${raft_core_source}/Cargo.toml
          --target-dir ${raft_core_build}
  # cargo leaves the library alone when its sources changed and what it makes of them did not.
  COMMAND ${CMAKE_COMMAND} -E touch ${raft_core_library}
  DEPENDS ${raft_core_files} ${raft_core_source}/Cargo.toml ${raft_core_source}/Cargo.lock
  COMMENT "Building the consensus engine" VERBATIM)
add_custom_target(sluice_raft_core_build DEPENDS ${raft_core_library})
add_library(sluice_raft_core STATIC IMPORTED GLOBAL)
set_target_properties(sluice_raft_core PROPERTIES IMPORTED_LOCATION ${raft_core_library})
add_dependencies(sluice_raft_core sluice_raft_core_build)
