#include "launcher/commands.h"

const struct subcommand subcommands[] = {
    {&volume_command, volume_main},       {&index_command, index_main},
    {&status_command, status_main},       {&dump_command, dump_main},
    {&restore_command, restore_main},     {&rebuild_command, rebuild_main},
    {&rebalance_command, rebalance_main}, {&verify_command, verify_main},
    {&drain_command, drain_main},         {&forget_command, forget_main},
    {&cancel_command, cancel_main},       {&secret_command, secret_main},
};

const size_t n_subcommands = sizeof(subcommands) / sizeof(subcommands[0]);
