#include "launcher/template.h"
