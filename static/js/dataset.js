// The page of one data set: deleting it asks first.

import { confirmForms } from "./confirm.js";

confirmForms();
