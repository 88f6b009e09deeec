# Install: the program, the libraries with their headers, pkg-config files, a CMake package (bfn::core, bfn::bfn) and man pages.
include(CMakePackageConfigHelpers)

set(BFN_LIBRARIES bfn-core bfn-core-shared)
if(TARGET bfn)
  list(APPEND BFN_LIBRARIES bfn-shared)
  # Without an export: the CMake package would have to find every dependency again. pkg-config --static bfn links it.
  install(TARGETS bfn ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
endif()
if(TARGET bfn-cli)
  install(TARGETS bfn-cli RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()
install(TARGETS ${BFN_LIBRARIES} EXPORT bfn-targets
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
set(core_headers status.h flow.h solver.h methods.def sample.h)
list(TRANSFORM core_headers PREPEND include/bfn/)
install(FILES ${core_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/bfn)
if(TARGET bfn)
  install(DIRECTORY include/bfn DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/bfn)
install(EXPORT bfn-targets NAMESPACE bfn:: DESTINATION ${package_dir})
configure_package_config_file(cmake/bfn-config.cmake.in bfn-config.cmake INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(bfn-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/bfn-config.cmake ${PROJECT_BINARY_DIR}/bfn-config-version.cmake
        DESTINATION ${package_dir})

# The prefix is worked out from where the .pc file lies, so an installed tree can be moved.
file(RELATIVE_PATH BFN_PC_TO_PREFIX /prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig /prefix)
string(REGEX REPLACE "/$" "" BFN_PC_TO_PREFIX ${BFN_PC_TO_PREFIX})
# For static linking. Named here and not as Requires.private, which would ask users of the shared library for these as well.
set(BFN_PC_PRIVATE "-ldnnl")
foreach(library ${DEPS_LIBRARIES})
  string(APPEND BFN_PC_PRIVATE " -l${library}")
endforeach()
if(OpenMP_C_FOUND)
  string(APPEND BFN_PC_PRIVATE " ${OpenMP_C_FLAGS}")
endif()
set(pc_files bfn-core)
if(TARGET bfn)
  list(APPEND pc_files bfn)
endif()
foreach(name ${pc_files})
  configure_file(cmake/${name}.pc.in ${name}.pc @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/${name}.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endforeach()

file(GLOB man_pages CONFIGURE_DEPENDS man/*.1)
if(man_pages)
  install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
