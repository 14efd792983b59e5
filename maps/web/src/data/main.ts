// The import page: sign-in first, then its code, which is large.

import { runStaffPage } from "../staff-page";
import "../staff-page.css";

runStaffPage(
  { page: "data", role: "importer", title: "page.title_data", tour: () => "data" },
  () => import("./views"),
);
