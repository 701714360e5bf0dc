# SPDX-License-Identifier: Apache-2.0
# What `cmake --install` puts where, so that other projects find it with find_package(firecaffe) or pkg-config.
include(CMakePackageConfigHelpers)

set(firecaffe_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/firecaffe)
set_target_properties(firecaffe PROPERTIES VERSION ${PROJECT_VERSION}
                      SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
install(TARGETS firecaffe EXPORT firecaffeTargets
        FILE_SET HEADERS DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}
        INCLUDES DESTINATION ${CMAKE_INSTALL_INCLUDEDIR})
install(EXPORT firecaffeTargets NAMESPACE firecaffe:: DESTINATION ${firecaffe_package_dir})

configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/firecaffeConfig.cmake.in
                              ${PROJECT_BINARY_DIR}/package/firecaffeConfig.cmake
                              INSTALL_DESTINATION ${firecaffe_package_dir} NO_SET_AND_CHECK_MACRO)
# While the first number is 0, each second number may change the interface.
write_basic_package_version_file(${PROJECT_BINARY_DIR}/package/firecaffeConfigVersion.cmake
                                 COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/package/firecaffeConfig.cmake
              ${PROJECT_BINARY_DIR}/package/firecaffeConfigVersion.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindOneDNN.cmake ${CMAKE_CURRENT_LIST_DIR}/FindXxHash.cmake
              ${CMAKE_CURRENT_LIST_DIR}/FindCudaLibraries.cmake
        DESTINATION ${firecaffe_package_dir})

# pkg-config. A static library's users must link what it stands on; a shared one's need not.
set(firecaffe_pc_libs "-lssl -lcrypto -lz -ljpeg -lxxhash -lfmt -pthread")
if(FIRECAFFE_WITH_ONEDNN)
  string(APPEND firecaffe_pc_libs " -ldnnl ${OpenMP_CXX_FLAGS}")
endif()
if(FIRECAFFE_MPI)
  string(JOIN " " firecaffe_mpi_libs ${MPI_CXX_LIBRARIES})
  string(APPEND firecaffe_pc_libs " ${firecaffe_mpi_libs}")
endif()
if(FIRECAFFE_CUDA)
  string(APPEND firecaffe_pc_libs " ${CudaLibraries_cudnn_LIBRARY} ${CudaLibraries_cublas_LIBRARY}"
         " ${CudaLibraries_cublasLt_LIBRARY} ${CudaLibraries_cudart_LIBRARY} -ldl -lrt")
endif()
get_target_property(firecaffe_type firecaffe TYPE)
if(firecaffe_type STREQUAL "STATIC_LIBRARY")
  set(firecaffe_pc_public_libs " ${firecaffe_pc_libs}")
  set(firecaffe_pc_private_libs "")
else()
  set(firecaffe_pc_public_libs "")
  set(firecaffe_pc_private_libs ${firecaffe_pc_libs})
endif()
# The prefix is found from where the file lies, so that the tree can be moved.
file(RELATIVE_PATH firecaffe_pc_up /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
string(REGEX REPLACE "/$" "" firecaffe_pc_up ${firecaffe_pc_up})
configure_file(${CMAKE_CURRENT_LIST_DIR}/firecaffe.pc.in ${PROJECT_BINARY_DIR}/package/firecaffe.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/package/firecaffe.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

if(TARGET firecaffe_cli)
  if(firecaffe_type STREQUAL "SHARED_LIBRARY")  # the program finds its library beside itself, wherever the tree lies
    file(RELATIVE_PATH firecaffe_from_bin /${CMAKE_INSTALL_BINDIR} /${CMAKE_INSTALL_LIBDIR})
    set_target_properties(firecaffe_cli PROPERTIES INSTALL_RPATH "$ORIGIN/${firecaffe_from_bin}")
  endif()
  install(TARGETS firecaffe_cli)
endif()
install(FILES ${PROJECT_SOURCE_DIR}/docs/firecaffe.schema.json DESTINATION ${CMAKE_INSTALL_DATADIR}/firecaffe OPTIONAL)
install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_GENERATOR DEB)
  set(CPACK_PACKAGE_NAME firecaffe)
  set(CPACK_PACKAGE_CONTACT "the FireCaffe authors <firecaffe@localhost>")
  set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SECTION science)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  string(JOIN ", " CPACK_DEBIAN_PACKAGE_RECOMMENDS libfmt-dev libssl-dev zlib1g-dev libjpeg62-turbo-dev libxxhash-dev
         libdnnl-dev)
  include(CPack)
endif()
