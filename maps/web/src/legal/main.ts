// The page on personal information: the server writes its text.

import "../base.css";
import "./legal.css";
