import "./kiosk.css";
