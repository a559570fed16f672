# The client as a package: find_package(sluice) gives sluice::client. Install it alone with
# `cmake --install <build> --component client`.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/sluice)
set(internal_headers ${CMAKE_INSTALL_INCLUDEDIR}/sluice/internal)

# What the client links, statically; only sluice::client is meant to be named by users.
foreach(part native native_messages record io base)
  set_target_properties(sluice_${part} PROPERTIES EXPORT_NAME internal_${part})
endforeach()
set_target_properties(sluice_client PROPERTIES EXPORT_NAME client)
target_include_directories(sluice_client INTERFACE
  $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}> $<INSTALL_INTERFACE:${internal_headers}>)
target_compile_features(sluice_client INTERFACE cxx_std_23)

install(TARGETS sluice_client sluice_native sluice_native_messages sluice_record sluice_io sluice_base
  EXPORT sluiceTargets COMPONENT client ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT sluiceTargets NAMESPACE sluice:: DESTINATION ${package_dir} COMPONENT client)
install(DIRECTORY client/include/sluice DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT client)
# The few headers of base/ that the public ones include; they include nothing but the standard library.
install(FILES base/error_table.h base/result.h base/strong.h base/time.h
  DESTINATION ${internal_headers}/base COMPONENT client)

configure_package_config_file(cmake/sluiceConfig.cmake.in ${CMAKE_BINARY_DIR}/sluiceConfig.cmake
  INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(${CMAKE_BINARY_DIR}/sluiceConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${CMAKE_BINARY_DIR}/sluiceConfig.cmake ${CMAKE_BINARY_DIR}/sluiceConfigVersion.cmake
  DESTINATION ${package_dir} COMPONENT client)
