# SPDX-License-Identifier: Apache-2.0
# How our targets are made: one compiled library, and one test program per room.

# Warnings, sanitizers and the language standard of everything we compile ourselves; never exported.
function(firecaffe_compile_settings target)
  # a * b + c stays two roundings, whatever the instruction set: the same bits from every build on one machine.
  set(options -Wall -Wextra -Wconversion -Wshadow -Wnon-virtual-dtor -ffp-contract=off)
  if(CMAKE_CXX_COMPILER_ID STREQUAL GNU)
    list(APPEND options -Wno-restrict)  # GCC 12 sees overlapping copies in its own std::string (GCC bug 105329)
  endif()
  if(FIRECAFFE_WERROR)
    list(APPEND options -Werror)
  endif()
  if(FIRECAFFE_SANITIZE)
    list(APPEND options -fsanitize=${FIRECAFFE_SANITIZE} -fno-omit-frame-pointer)
    target_link_options(${target} PRIVATE -fsanitize=${FIRECAFFE_SANITIZE})
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${options}>")
  set_target_properties(${target} PROPERTIES CXX_EXTENSIONS OFF)
  if(FIRECAFFE_CUDA)
    firecaffe_cuda_settings(${target})
  endif()
endfunction()

# The library; rooms add their sources with target_sources(firecaffe PRIVATE ...).
function(firecaffe_add_library)
  add_library(firecaffe)
  add_library(firecaffe::firecaffe ALIAS firecaffe)
  target_compile_features(firecaffe PUBLIC cxx_std_20)
  file(GLOB_RECURSE headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/firecaffe/*.hpp)
  target_sources(firecaffe PUBLIC FILE_SET HEADERS BASE_DIRS ${PROJECT_SOURCE_DIR}/include FILES ${headers})
  target_include_directories(firecaffe PRIVATE ${PROJECT_SOURCE_DIR}/src)
  set_target_properties(firecaffe PROPERTIES POSITION_INDEPENDENT_CODE ON VERIFY_INTERFACE_HEADER_SETS ON)
  firecaffe_compile_settings(firecaffe)
  firecaffe_link_dependencies(firecaffe)
endfunction()

# How much longer than usual a test may take: with sanitizers, and where convolutions are plain loops.
set(FIRECAFFE_TEST_SLOWNESS 1)
if(FIRECAFFE_SANITIZE OR NOT FIRECAFFE_WITH_ONEDNN)
  set(FIRECAFFE_TEST_SLOWNESS 6)
endif()

# Catch2's header, read once for all test programs: half of what a small test takes to compile.
function(firecaffe_precompile_catch)
  add_library(catch_header OBJECT ${PROJECT_SOURCE_DIR}/tests/catch.cpp)
  target_link_libraries(catch_header PRIVATE Catch2::Catch2)
  target_include_directories(catch_header PRIVATE ${PROJECT_SOURCE_DIR}/tests)
  firecaffe_compile_settings(catch_header)
  target_compile_features(catch_header PRIVATE cxx_std_20)
  target_precompile_headers(catch_header PRIVATE ${PROJECT_SOURCE_DIR}/tests/catch.hpp)
endfunction()

# firecaffe_add_test(comm plan_test.cpp tcp_test.cpp ...): the program test_comm, and a CTest test of that name.
function(firecaffe_add_test room)
  add_executable(test_${room} ${ARGN})
  target_link_libraries(test_${room} PRIVATE firecaffe::firecaffe Catch2::Catch2WithMain Threads::Threads)
  target_include_directories(test_${room} PRIVATE ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  firecaffe_compile_settings(test_${room})
  target_precompile_headers(test_${room} REUSE_FROM catch_header)
  add_test(NAME ${room} COMMAND test_${room})
  math(EXPR timeout "300 * ${FIRECAFFE_TEST_SLOWNESS}")
  set_tests_properties(${room} PROPERTIES TIMEOUT ${timeout})
endfunction()
