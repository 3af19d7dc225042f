# Debian wants its manual pages compressed; CPack runs this before it packs what was installed.
file(GLOB pages "${CPACK_TEMPORARY_DIRECTORY}/usr/share/man/man*/*.[1-8]")
if(pages)
    execute_process(COMMAND gzip -9 -n ${pages} COMMAND_ERROR_IS_FATAL ANY)
endif()
